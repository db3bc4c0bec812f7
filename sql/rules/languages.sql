-- One value: the languages that the rule on languages knows, each with function words that its prose is full of.
-- Languages too near to be told apart by such words stand together. Words that English has as well (per, also, die)
-- are left out everywhere else, and so are single letters.
select list({'language': language, 'words': string_split(words, ' ')} order by language)
from (
    values
    (
        'English',
        'the of and to is that are we this for with from by have has be which can you it as there then so'
        || ' what how find if not each will was were they an at or but because its your therefore would their'
        || ' when these where let since into first who does do compute determine evaluate solve many much'
        || ' prove show given all answer why should write about explain describe give list make name than some'
        || ' been had did could may must any just after before one two get use our my she his out only whose'
        || ' while both same number value simplify calculate'
    ),
    (
        'Spanish',
        'el los las del que una por con para como es está se su sus entonces cuando donde también pero'
        || ' porque este esta esto cada más entre hay muy sobre tenemos podemos tiene ser lo al si ya nos'
        || ' cual según desde hasta sabemos luego la de un en esa ese eso todos fue unos unas qué dónde'
        || ' después primero tanto ella ellos menos mayor así antes dos tres otro otra puede pueden ambos'
    ),
    (
        'Portuguese',
        'os das dos que uma não para como são está em na nos nas ao pelo pela então quando também mas'
        || ' porque este esta isso cada mais entre há muito sobre temos podemos tem ser se seu sua pois ou já'
        || ' até logo portanto você de um da pelos pelas essa esse isto aos todos foi seus suas numa num qual'
        || ' onde depois primeiro apenas tanto ela ele eles sabemos assim antes sem menos maior'
    ),
    (
        'French',
        'le les des que une est et avec dans sont nous qui donc alors ainsi aussi mais cette ces cela'
        || ' chaque entre être avons peut il elle par du au aux soit où leur ses comme lorsque puis fait très'
        || ' tout vous puisque la de un en cet ils elles tous sous vers depuis après encore même seulement'
        || ' ensuite chacun leurs deux trois autre peuvent parce sa était dabord lui quand ni'
    ),
    (
        'Italian',
        'il la un che di del della gli dei delle una con sono si nel quindi quando anche perché questo questa'
        || ' ogni più tra abbiamo possiamo essere nella alla al dal dalla sul sulla ha poiché allora dunque'
        || ' cioè lo da ed ma degli nei nelle alle agli dai dalle suo sua loro molto dopo poi senza'
        || ' tutti questi queste ci due tre altro stato sotto verso può possono sappiamo entrambi ognuno fra'
    ),
    (
        'Romanian',
        'și este sunt că pentru cu din în la mai sau dacă deci atunci acest această avem putem fiecare'
        || ' prin între către unui unei lui pe când fi cele cel de au fost dar lor iar după apoi doar fără'
        || ' toate toți ei ea ele cât ori aici spre cea ca poate știm două trei dintre îi ne se le adică așa'
    ),
    (
        'German',
        'der das ist nicht und wir eine einen einer mit für sich auf dem des dass wenn auch durch bei'
        || ' nach gilt sind wird zur zum über oder aus von zu ein es im wie kann können haben da damit daraus'
        || ' folgt nun dann jede jeder noch nur aber sie werden um ihr ihre sein seine unter vor zwischen'
        || ' dort hier wo diese dieser dieses kein keine mehr sehr zuerst wissen beim vom weil somit daher'
        || ' zwei drei als sowie denn doch alle uns ihn beide beiden'
    ),
    (
        'Dutch',
        'de het een en dat niet zijn wordt voor als ook dus aan er om bij uit dan deze dit naar omdat maar'
        || ' wij worden kunnen heeft hebben elke ons geldt volgt zodat wat daarom hij zij haar hun'
        || ' daarna eerst alleen zonder alle meer veel twee drie andere zal zullen moet moeten waar wanneer'
        || ' tussen onder beide ze zo nog wel al heel tot daaruit namelijk'
    ),
    (
        'Swedish',
        'och att är det som ett för med av på inte vi har kan till från om eller när då också så detta'
        || ' denna varje eftersom därför får ger blir alltså vilket där vara han deras dem sina sitt efter'
        || ' sedan bara utan alla mycket två tre andra ska måste mellan båda hur här upp ut några någon något'
        || ' dess vid finns genom'
    ),
    (
        'Danish or Norwegian',
        'og er det som et med af av på ikke vi har kan til fra om eller når da også så dette denne hver'
        || ' fordi derfor får gir giver bliver blir altså hvilket der være vil skal hvor de hun han deres dem'
        || ' sine sitt efter etter siden bare kun uden uten alle meget mye tre andre må mellem mellom begge'
        || ' nå mod hvordan opp ut ud nogen noen noe noget ved samlet finnes findes gennem gjennom derefter'
        || ' først'
    ),
    (
        'Finnish',
        'ja ei että se ovat kun jos niin tämä joka siis voidaan koska myös mutta sen ole olla kuin nyt'
        || ' tai jokainen saadaan jolloin joten siitä näin kaikki sitten eivät hän minun tämän sitä niitä'
        || ' niistä tässä missä mikä mitkä jonka jotka jossa joista vain vielä jälkeen ennen ilman sekä eli'
        || ' kuinka miten siksi koko aina molemmat molemmilta kaksi kolme ensin olivat oli voi voimme pitää'
        || ' täytyy yhteensä niiden sillä kumpikin'
    ),
    (
        'Hungarian',
        'az és hogy nem egy ez ha akkor mert meg vagy mint minden azt ezt így ami amely tehát ezért lesz'
        || ' csak két ahol kell mivel lehet majd ezek azok ennek annak abban ebben ők mi ti volt voltak még'
        || ' már után előtt nélkül közül között szerint által alatt mindkét három egyik másik olyan amelyek'
        || ' amelyet akik aki hány hogyan miért mindig összesen tudjuk kapjuk ki fel le először ezután azaz'
        || ' vagyis nincs össze tovább új ilyen hanem sem se de ne utolsó úgy nagyon'
    ),
    (
        'Polish',
        'się nie jest że na dla przez oraz lub który która które więc są mamy możemy ponieważ każdy także'
        || ' gdy jeśli od po ze tego tym czyli ma być zatem wtedy aby jako ta tej tych temu ich jego jej był'
        || ' była było były przed bez nad między oba obu dwa trzy inny inne jeden jedna tylko jeszcze już'
        || ' potem następnie najpierw kiedy gdzie ile jak dlatego bo czy tak wszystkie każda każde każdego'
        || ' siebie wraz przy nich nim niż razem sumie można wiemy mu za pomocą ponad również'
    ),
    (
        'Czech or Slovak',
        'je se že na jsou který která které nebo když také tedy jako máme můžeme protože každý aby být'
        || ' není tak tím jsme si pak sa sú ktorý ktorá alebo keď tiež ako teda môžeme pretože nie čo platí'
        || ' proto pri při od ta ty té toho těch tomu jejich jeho její byl byla bylo byly před bez nad mezi'
        || ' oba obou dva tři jiný jiné jeden jedna jen jenom ještě už potom nejprve kdy kde kolik jak takže'
        || ' všechny všechna každé každá sebe než celkem víme dalo až ze nich nám tento tato toto tieto bol'
        || ' bola bolo boli pred medzi iný len ešte najprv koľko všetky seba spolu vieme ich jej ak'
    ),
    (
        'Turkish',
        've bir bu için ile olarak olan da değil daha çok ise gibi ama veya sonra kadar eğer olduğu olur'
        || ' eder var yani böylece ne göre çünkü biz kaç de şu onun bunun bunu buna bunları bunların onlar'
        || ' siz önce sadece yalnızca iki üç başka diğer hem olup olmadığı değildir vardır arasında üzerinde'
        || ' altında nasıl neden nedenle yüzden hangi şekilde bulunur biri birlikte toplam en az fazla zaman'
        || ' şöyle böyle bulmak edilir ki mi mı ona'
    ),
    (
        'Indonesian or Malay',
        'yang dan di untuk dengan adalah ini itu dari pada dalam tidak kita akan dapat ada karena maka'
        || ' jika atau juga setiap sebagai oleh ke bisa jadi lebih sehingga bahwa ialah kerana kami mereka'
        || ' dia anda saya telah sudah belum bukan hanya saja tanpa semua banyak dua tiga lain antara bawah'
        || ' atas kedua lalu kemudian setelah sebelum ketika saat pertama bagaimana berapa mana harus perlu'
        || ' tersebut sama yaitu adanya nya serta tetapi namun agar'
    ),
    (
        'Vietnamese',
        'là và của có không được cho các một với những này khi để trong ta từ nên thì ra vào số nếu vì'
        || ' cũng đó theo hai bằng tôi chúng em anh họ nó đã đang sẽ phải cần sau trước khác hơn nhất chỉ cả'
        || ' mỗi mọi bao nhiêu thế nào sao đây trên dưới giữa tại tới đến bởi rằng vậy hay hoặc lại rồi còn'
        || ' biết tìm đều'
    ),
    (
        'Russian',
        'не что на по это как мы для из то если так все или также от же при но который которая которые'
        || ' поэтому значит тогда где его их быть есть только каждый чтобы можно будет следовательно имеем он'
        || ' она они оно был была было были перед без под над между оба обоих два три другой другие других'
        || ' один одна ещё уже потом затем сначала когда сколько почему потому ли бы этот эта эти этого этом'
        || ' тем чем всего всех себя свои свой нам нас них ним том той нет со ко после такой такая'
    ),
    (
        'Ukrainian',
        'та не що на це як ми для із якщо так або також від але який яка які тому тоді де його їх бути'
        || ' тільки кожен щоб можна буде отже маємо при до за він вона вони воно був була було були перед без'
        || ' під над між обидва обох два три інший інші інших один одна лише ще вже потім спочатку коли'
        || ' скільки чому чи би цей ця ці цього цьому тим чим усього всього всіх себе свої свій нам нас них'
        || ' ним тій немає зі після такий така нехай оскільки тобто вищої'
    )
) as known (language, words)
